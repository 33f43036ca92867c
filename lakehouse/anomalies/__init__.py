"""What is wrong in the readings of a device, found without labels, each finding with its evidence.

points: readings unlike anything that season, recent level or own past explain.  stuck, drift, gaps: what no single
point shows.  merging: one fault, one anomaly.  detection: all devices of gold, into `detection.anomalies`.
"""
