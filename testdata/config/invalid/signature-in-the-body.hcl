destination "d" {
  url       = "https://example.com/hooks"
  secrets   = [env("SECRET")]
  signature = "linear" # ERROR: the time of signing would have to stand in the body
}
