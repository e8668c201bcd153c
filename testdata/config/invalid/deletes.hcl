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
  deletes {
    confirm = 0 # ERROR: Invalid value for "confirm"
    max = "20" # ERROR: A share is written "20%"
    max_rows = -1 # ERROR: Invalid value for "max_rows"
  }
}
