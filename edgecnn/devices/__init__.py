"""Devices to measure on: this machine, SSH, adb; the only room that starts ssh and adb."""
