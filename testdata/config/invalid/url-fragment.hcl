destination "d" {
  url = "https://example.com/#hooks" # ERROR: What follows the # of a URL is never sent
  secrets = [env("SECRET")]
}
