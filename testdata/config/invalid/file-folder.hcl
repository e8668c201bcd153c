destination "d" {
  url = file(".") # ERROR: There is ".", but it is not a regular file
  secrets = [env("SECRET")]
}
