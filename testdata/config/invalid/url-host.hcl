destination "d" {
  url = "https:///hooks" # ERROR: The URL names no host
  secrets = [env("SECRET")]
}
