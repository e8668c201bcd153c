destination "d" {
  url     = "https://example.com/hooks"
  secrets = [env("SECRET")]
}
job "orders" {
  for_each = ["eu", "us"] # ERROR: write toset([ … ])
  schedule = each.value
  timeout  = 30 # ERROR: "timeout" is a duration in quotes
  deliver  = [destination.d]
  source "http" {
    url = "https://legacy.example.com/${each.key}/orders"
    headers = { X-Region = each.value.region }
    decode "json" {
      items = "@this"
      itens = each.key # ERROR: Did you mean "items"?
    }
  }
  key    = ["id", each.value]
  ignore = [each.kye] # ERROR: There is no each "kye"
  event {
    type = "orders.${each.key}"
    data = { region = each.value.region, at = change.afer } # ERROR: Did you mean change.after?
  }
}
