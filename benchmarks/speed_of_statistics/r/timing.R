# Shared by the scripts of this folder, each called as: Rscript X.R timing.R TABLE WARM_UP ARGUMENTS…
# A script ends with one line of JSON: laps (medians, seconds), repeats, numbers, memory.

need <- function(...) {
  for (package in c(...)) if (!requireNamespace(package, quietly = TRUE)) {
    cat(sprintf('{"missing": "%s"}\n', package)); quit(save = "no")
  }
}

read_ratings <- function(path) {
  table <- read.csv(path, colClasses = c(image = "factor", method = "factor", rater = "factor"))
  table$rating <- as.numeric(table$rating)
  table
}

peak_gb <- function() {
  status <- grep("^VmHWM", readLines("/proc/self/status"), value = TRUE)
  as.numeric(gsub("[^0-9]", "", status)) * 1024 / 1e9
}

clock <- function(expression) { started <- as.numeric(Sys.time()); force(expression); as.numeric(Sys.time()) - started }

# work(table) returns list(laps = c(name = seconds), numbers = c(name = value))
report <- function(work, table, warm_up) {
  suppressMessages(suppressWarnings(work(warm_up)))
  gc(); base <- peak_gb(); runs <- list(); spent <- 0
  while (length(runs) < 9 && spent < 3) {
    done <- suppressMessages(suppressWarnings(work(table)))
    runs[[length(runs) + 1]] <- done$laps; spent <- spent + sum(done$laps)
  }
  laps <- apply(do.call(rbind, runs), 2, median)
  pairs <- function(x) paste(sprintf('"%s": %.12g', names(x), x), collapse = ", ")
  cat(sprintf('{"laps": {%s}, "repeats": %d, "numbers": {%s}, "peak_gb": %.4f, "base_gb": %.4f}\n',
              pairs(laps), length(runs), pairs(done$numbers), peak_gb(), base))
}
