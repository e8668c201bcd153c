destination "d" {
  url     = "https://example.com/hooks"
  secrets = [env("SECRET")]
  hmac { # ERROR: this destination signs with "standard"
    header = "X-Signature"
  }
}
