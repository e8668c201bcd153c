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
  for_each = toset(["eu", "us"])
  timeout = each.value # ERROR: Invalid value for "timeout": "eu" is not a duration # ERROR: "us" is not a duration
  missed = "no" # ERROR: "run_once" and "skip"
}
