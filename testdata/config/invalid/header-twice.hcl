destination "d" {
  url = "https://example.com/hooks"
  secrets = [env("SECRET")]
  headers = {
    X-Team = "erp"
    x-team = "crm" # ERROR: The header X-Team is written twice
  }
}
