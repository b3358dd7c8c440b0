"""Mixed models of ratings: which model, what it says of methods, and what a reader must know.

`model.fit_mixed` is the door; `default_rule` chooses where no formula is given. Inference on a fit
of the engine (`mturk_eval.stats.linear`): `satterthwaite`, `kenward_roger`, `profile_intervals`,
`marginal_means`, `term_tests`, `comparison`. `paired` is the balanced check beside them.
"""
