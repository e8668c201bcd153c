destination "d" {
  url = "https://example.com/hooks"
  secrets = [env("SECRET")]
  headers = { Webhook-Id = "1" } # ERROR: The header Webhook-Id is set by the bridge itself
}
