destination "d" {
  url = "https://example.com/%{order}" # ERROR: double the percent sign
  secrets = [env("SECRET")]
}
