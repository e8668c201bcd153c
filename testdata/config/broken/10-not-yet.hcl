bridge {
  admin_token = env("SECRET")
}

destination "d" {
  url     = "https://example.com/hooks"
  secrets = [env("SECRET")]
}

job "orders" {
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
