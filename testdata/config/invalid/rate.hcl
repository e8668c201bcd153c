destination "d" {
  url = "https://example.com/hooks"
  secrets = [env("SECRET")]
  rate = "50" # ERROR: is not a rate: write "50/s"
}
