destination "d" {
  url = [] # ERROR: Invalid value for "url"
  secrets = [env("SECRET")]
}
