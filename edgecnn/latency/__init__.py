"""How long a network would take on a device nobody has at hand, and how sure that is.

`cost` says what each operator asks of a machine, `work` counts it in units that take time,
`profiles` says what a device is, `fitted` how fast its cores are at each kind of unit, and
`predictor` multiplies. `tools/fit_profiles.py` fits the speeds on published latencies.
"""
