destination "d" {
  url     = "https://example.com/hooks"
  secrets = [env("SECRET")]
}
job "bridge" { # ERROR: The name "bridge" is taken
  schedule = "@every 30s"
  deliver  = [destination.d]
  source "http" {
    url = "https://legacy.example.com/orders"
    decode "json" {
      items = "@this"
    }
  }
  key = "id"
}
