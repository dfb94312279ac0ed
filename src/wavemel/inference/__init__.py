"""Samples -> windows -> probabilities -> result -> file -> library, on onnxruntime; no torch anywhere.

Each rung is one class, built on the one below: `Samples2Windows`,
`Windows2Probabilities`, `Probabilities2Result`, `File2Result`, `Library`.
`Classifier` puts them together for one model.
"""
