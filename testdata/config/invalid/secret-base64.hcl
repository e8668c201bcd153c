destination "d" {
  url = "https://example.com/hooks"
  secrets = ["whsec_?"] # ERROR: What follows the prefix of the secret is not base64
}
