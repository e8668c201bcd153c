locals {
  regions {} # ERROR: write regions = { … } with an equals sign
}
