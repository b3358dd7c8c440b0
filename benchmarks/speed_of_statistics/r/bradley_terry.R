# BradleyTerry2::BTm on aggregated pairs, with the standard errors of its summary.
arguments <- commandArgs(trailingOnly = TRUE); source(arguments[1]); need("BradleyTerry2")
votes <- function(path) {
  table <- read.csv(path); items <- sort(unique(c(table$left, table$right)))
  counts <- aggregate(cbind(wins = left_wins, losses = 1 - left_wins) ~ left + right, table, sum)
  counts$left <- factor(counts$left, items); counts$right <- factor(counts$right, items); counts
}

work <- function(table) {
  laps <- c(scores = clock(model <- BradleyTerry2::BTm(cbind(wins, losses), left, right, data = table)))
  scores <- c(0, coef(model)); scores <- scores - mean(scores)
  list(laps = laps, numbers = c(first_score = scores[[1]], score_sd = sqrt(mean(scores^2))))
}

report(work, votes(arguments[2]), votes(arguments[3]))
