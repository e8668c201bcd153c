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
  missed = "run" # ERROR: "run_once" and "skip"
  initial = "Emit" # ERROR: Did you mean "emit"?
  on_bad_record = 1 # ERROR: Invalid value for "on_bad_record"
}
