packages <- c("lme4", "lmerTest", "pbkrtest", "ordinal", "BradleyTerry2")
version <- function(p) tryCatch(as.character(packageVersion(p)), error = function(e) "not installed")
cat(sprintf("%s, BLAS %s; %s\n", R.version.string, extSoftVersion()[["BLAS"]],
            paste(packages, sapply(packages, version), collapse = ", ")))
