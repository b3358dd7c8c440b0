# Arguments after the tables: the random part; "fit" (lme4 alone) or "df" (and lmerTest's t table).
arguments <- commandArgs(trailingOnly = TRUE); source(arguments[1]); need("lme4", "lmerTest")
formula <- as.formula(paste("rating ~ method +", arguments[4])); df <- arguments[5] == "df"

work <- function(table) {
  laps <- c(fit = clock(model <- lme4::lmer(formula, table)))
  coefficients <- coef(summary(model))
  numbers <- c(criterion = lme4::REMLcrit(model), effect = coefficients[2, 1], std_error = coefficients[2, 2])
  if (df) {  # lmerTest fits by itself: its own fit and the t table
    laps["fit and df"] <- clock(tests <- coef(summary(lmerTest::lmer(formula, table), ddf = "Satterthwaite")))
    numbers["df"] <- tests[2, "df"]
  }
  list(laps = laps, numbers = numbers)
}

# The small table stands for loading code; timings and memory are those of the large one.
report(work, read_ratings(arguments[2]), read_ratings(arguments[3]))
