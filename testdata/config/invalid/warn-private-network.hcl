destination "d" {
  url = "http://10.1.2.3/hooks" # WARNING: Add: allow = ["10.1.2.3/32"]
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
