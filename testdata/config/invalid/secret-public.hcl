destination "d" {
  url = "https://example.com/hooks"
  secrets = ["whpk_aG9va2JyaWRnZSBkZW1vIHNlY3JldCwgbm90IGtlcHQ="] # ERROR: is a public key, which cannot sign
}
