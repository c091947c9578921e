# Choices that contradict functions are refused before anything is created. Each run names only what is
# wrong.

mock_provider "aws" {
  mock_data "aws_partition" {
    defaults = { partition = "aws" }
  }
}

variables {
  account_id = "123456789012"
  region     = "eu-central-1"
  compute    = "lambda"
  store      = "dynamodb"
  flights    = "sample"
  gateway    = "simulated"
  mailer     = "folder"
  lambda_zip = "versions.tf"
}

run "everything_that_they_need" {
  command = plan

  assert {
    condition     = length(aws_lambda_function.role) == 4
    error_message = "Functions need more than that."
  }
}

run "a_compute_that_is_none" {
  command = plan

  variables {
    compute    = "cloud"
    lambda_zip = null
  }

  expect_failures = [var.compute]
}

# The messages name both.
run "functions_on_fifo" {
  command = plan
  variables { fifo = true }
  expect_failures = [var.compute]
}

run "functions_for_a_machine" {
  command = plan
  variables { integration = "step-functions" }
  expect_failures = [var.compute]
}

run "functions_with_files" {
  command = plan
  variables { store = "sqlite" }
  expect_failures = [var.compute]
}

run "functions_on_an_emulator" {
  command = plan
  variables { endpoint_url = "http://127.0.0.1:4566" }
  expect_failures = [var.compute]
}

run "functions_with_an_image" {
  command = plan

  variables {
    image      = "registry.example/booking:1.4.0"
    vpc_id     = "vpc-0a1b2c3d"
    subnet_ids = ["subnet-0a1b2c3d"]
  }

  expect_failures = [var.compute]
}

# It would be ignored, and whoever gave it believes that nobody else gets in.
run "functions_with_networks_that_may_ask" {
  command = plan
  variables { status_ingress = ["10.0.0.0/16"] }
  expect_failures = [var.compute]
}

run "functions_with_tasks" {
  command = plan
  variables { tasks = { seats = { max = 20 } } }
  expect_failures = [var.compute]
}

run "functions_without_a_zip" {
  command = plan
  variables { lambda_zip = null }
  expect_failures = [var.lambda_zip]
}

run "a_zip_that_is_not_there" {
  command = plan
  variables { lambda_zip = "nowhere.zip" }
  expect_failures = [var.lambda_zip]
}

run "functions_without_a_gateway" {
  command = plan
  variables { gateway = null }
  expect_failures = [var.gateway]
}

run "functions_without_a_mailer" {
  command = plan
  variables { mailer = null }
  expect_failures = [var.mailer]
}

run "functions_without_flights" {
  command = plan
  variables { flights = null }
  expect_failures = [var.flights]
}

run "a_timeout_shorter_than_a_charge" {
  command = plan
  variables { lambda_timeout_s = 12 }
  expect_failures = [var.lambda_timeout_s]
}

run "a_timeout_that_leaves_no_room_for_the_visibility_timeout" {
  command = plan
  variables { lambda_timeout_s = 100 }
  expect_failures = [var.lambda_timeout_s]
}

run "too_little_memory" {
  command = plan
  variables { lambda_memory_mib = 64 }
  expect_failures = [var.lambda_memory_mib]
}

run "a_window_that_lambda_does_not_wait" {
  command = plan
  variables { lambda_latency_target_s = 301 }
  expect_failures = [var.lambda_latency_target_s]
}

run "one_at_a_time" {
  command = plan
  variables { lambda_concurrency_max = 1 }
  expect_failures = [var.lambda_concurrency_max]
}

run "the_latency_target_of_containers" {
  command = plan
  variables { environment = { seats = { BOOKING_LATENCY_TARGET = "500ms" } } }
  expect_failures = [var.environment]
}

run "a_url_for_everybody" {
  command = plan
  variables { lambda_url_auth = "NONE" }
  expect_failures = [var.lambda_url_auth]
}

run "a_url_that_asks_nobody_knows_what" {
  command = plan
  variables { lambda_url_auth = "TOKEN" }
  expect_failures = [var.lambda_url_auth]
}

# A request has one header for both.
run "a_token_beside_a_signature" {
  command = plan

  variables {
    lambda_secrets_in_state = true
    secrets                 = { status_token = "arn:aws:ssm:eu-central-1:123456789012:parameter/booking/status-token" }
  }

  expect_failures = [var.lambda_url_auth]
}

run "secrets_that_the_state_may_not_have" {
  command = plan

  variables {
    gateway = "stripe"
    secrets = { stripe_key = "arn:aws:ssm:eu-central-1:123456789012:parameter/booking/stripe-key" }
  }

  expect_failures = [var.lambda_secrets_in_state]
}

run "canaries_that_the_state_may_not_have" {
  command = plan
  variables { canary_key_arn = "arn:aws:ssm:eu-central-1:123456789012:parameter/booking/canary-key" }
  expect_failures = [var.lambda_secrets_in_state]
}

run "stripe_without_its_key" {
  command = plan
  variables { gateway = "stripe" }
  expect_failures = [var.secrets]
}

run "a_key_of_secrets_that_nobody_uses" {
  command = plan

  variables {
    lambda_secrets_in_state = true
    gateway                 = "stripe"
    secrets = {
      stripe_key = "arn:aws:ssm:eu-central-1:123456789012:parameter/booking/stripe-key"
      kms_key    = "arn:aws:kms:eu-central-1:123456789012:key/11111111-2222-3333-4444-555555555555"
    }
  }

  expect_failures = [var.secrets]
}

# Each names compute as well.
run "choices_of_functions_for_containers" {
  command = plan

  variables {
    compute                 = "containers"
    lambda_memory_mib       = 256
    lambda_timeout_s        = 30
    lambda_latency_target_s = 0
    lambda_concurrency_max  = 10
    lambda_url_auth         = "AWS_IAM"
    lambda_secrets_in_state = true
  }

  expect_failures = [
    var.lambda_zip, var.lambda_memory_mib, var.lambda_timeout_s, var.lambda_latency_target_s,
    var.lambda_concurrency_max, var.lambda_url_auth, var.lambda_secrets_in_state,
  ]
}
