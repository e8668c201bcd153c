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
moved {
  from = "orders" # ERROR: A job is named in quotes: "job.orders"
  to = job.orders # ERROR: There is no "job" here
}
