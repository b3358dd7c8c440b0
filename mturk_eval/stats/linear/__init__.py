"""The engine of linear mixed models: arrays and random blocks in, a fit out.

`fitting.fit_linear` is its door. The way of a fit: factor terms become cells (`coding`), one pass
over the rows makes sums (`cross_products`, `weighted_gram`), columns are made orthonormal
(`rotation`), the profiled deviance is solved with the largest block eliminated (`equations`,
`deviance`), and Newton steps find its minimum (`newton`) over bounded factors (`parametrisation`).
`curvature` has the exact second derivatives that tests need, `conditional_modes` the predicted
effects.
"""
