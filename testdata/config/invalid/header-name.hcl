destination "d" {
  url = "https://example.com/hooks"
  secrets = [env("SECRET")]
  headers = { "X Team" = "erp" } # ERROR: "X Team" cannot be the name of a header
}
