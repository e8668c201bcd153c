destination "d" {
  url       = "https://example.com/hooks"
  secrets   = [env("SECRET")]
  signature = "hmac" # ERROR: hmac { header = "…" } is required
}
