destination "d" {
  url = "ftp://example.com" # ERROR: A destination is an http or https URL
  secrets = [env("SECRET")]
}
