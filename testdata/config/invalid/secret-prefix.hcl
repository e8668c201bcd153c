destination "d" {
  url = "https://example.com/hooks"
  secrets = ["aG9va2JyaWRnZSBkZW1vIHNlY3JldCwgbm90IGtlcHQ="] # ERROR: A secret starts with whsec_
}
