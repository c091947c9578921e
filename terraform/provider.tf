locals {
  # An endpoint means an emulator, which has no credentials to check and no metadata service.
  emulated = var.endpoint_url != null
}

provider "aws" {
  region = var.region

  # ARNs are composed from account_id, so applying to another account must fail as a whole.
  allowed_account_ids = var.account_id == null || local.emulated ? null : [var.account_id]

  access_key                  = local.emulated ? "test" : null
  secret_key                  = local.emulated ? "test" : null
  skip_credentials_validation = local.emulated
  skip_metadata_api_check     = local.emulated
  skip_region_validation      = local.emulated
  skip_requesting_account_id  = local.emulated

  dynamic "endpoints" {
    for_each = local.emulated ? [var.endpoint_url] : []

    content {
      dynamodb = endpoints.value
      events   = endpoints.value
      iam      = endpoints.value
      sfn      = endpoints.value
      sns      = endpoints.value
      sqs      = endpoints.value
      sts      = endpoints.value
    }
  }

  default_tags {
    tags = merge({ application = "booking", managed-by = "terraform" }, var.tags)
  }
}
