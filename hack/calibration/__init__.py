"""``make calibration``: fit the table that corrects AIC's estimates, to the measurements that AIC's package ships.

Read (`measurements`), estimate each point with the adapter that ships (`estimates`), fit (`fit`), leave out model
families and systems in turn (`validate`), write the table (`__main__`). Nothing of the data is copied: the table holds
factors, quantiles and where they are from.
"""
