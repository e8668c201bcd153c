destination "d" {
  url     = "https://example.com/hooks"
  secrets = [env("SECRET")]
}

job "orders" {
  schedule = "TZ=0"
  deliver  = [destination.d]
  source "http" {
    url = "https://legacy.example.com/orders"
    decode "json" {
      items = "@this"
    }
  }
  key = "id"
  
}
