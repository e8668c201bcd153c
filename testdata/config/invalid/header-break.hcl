destination "d" {
  url = "https://example.com/hooks"
  secrets = [env("SECRET")]
  headers = { X-Team = "a\nb" } # ERROR: has characters that a header cannot carry
}
