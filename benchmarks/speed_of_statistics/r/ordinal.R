# Arguments after the tables: the random part; the link.
arguments <- commandArgs(trailingOnly = TRUE); source(arguments[1]); need("ordinal")
formula <- as.formula(paste("level ~ method +", arguments[4])); link <- arguments[5]
ratings <- function(path) { table <- read_ratings(path); table$level <- factor(table$rating, ordered = TRUE); table }

work <- function(table) {
  laps <- c("fit and SE" = clock(model <- ordinal::clmm(formula, data = table, link = link)))
  last <- tail(coef(summary(model)), 1)
  list(laps = laps, numbers = c(log_likelihood = as.numeric(logLik(model)), effect = last[1, 1], std_error = last[1, 2]))
}

whole <- ratings(arguments[2])
some <- droplevels(whole[as.integer(whole$rater) %% 6 == 0, ])
report(work, whole, some)
