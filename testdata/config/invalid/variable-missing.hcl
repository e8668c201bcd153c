variable "legacy" {} # ERROR: --var legacy=…, or HOOKBRIDGE_VAR_legacy in the environment
