"""Networks of the kinds that microcontrollers run, on which no estimate of an arena was set."""
