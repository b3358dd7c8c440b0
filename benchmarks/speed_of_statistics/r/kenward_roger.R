# Arguments after the tables: the random part. The fit is not counted; the t table is.
arguments <- commandArgs(trailingOnly = TRUE); source(arguments[1]); need("lme4", "pbkrtest")
formula <- as.formula(paste("rating ~ method +", arguments[4]))

work <- function(table) {
  model <- lme4::lmer(formula, table)
  laps <- c("kenward-roger" = clock({
    adjusted <- pbkrtest::vcovAdj(model)
    df <- pbkrtest::Lb_ddf(c(0, 1), vcov(model), adjusted)
  }))
  list(laps = laps, numbers = c(df = df, std_error = sqrt(adjusted[2, 2])))
}

whole <- read_ratings(arguments[2])
some <- droplevels(whole[as.integer(whole$rater) %% 6 == 0, ])  # pbkrtest needs minutes for all of it
report(work, whole, some)
