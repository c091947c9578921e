# Choices of gateway and mailer that make no sense are refused before anything is created. Each run names
# only what is wrong; beside it stands a mail server that wants no login. Those of SES are in
# refusals-ses.tftest.hcl.

mock_provider "aws" {
  mock_data "aws_partition" {
    defaults = { partition = "aws" }
  }
}

variables {
  account_id = "123456789012"
  region     = "eu-central-1"
  store      = "dynamodb"
  image      = "registry.example/booking:1.4.0"
  vpc_id     = "vpc-0a1b2c3d"
  subnet_ids = ["subnet-0a1b2c3d"]
  flights    = "sample"

  gateway   = "simulated"
  mailer    = "smtp"
  mail_from = "Example Air <receipts@example.com>"
  smtp      = { server = "smtp.example.com:587" }
}

run "a_gateway_that_is_none" {
  command = plan

  variables {
    gateway = "paypal"
  }

  expect_failures = [var.gateway]
}

run "a_mailer_that_is_none" {
  command = plan

  variables {
    mailer = "pigeon"
    smtp   = null
  }

  expect_failures = [var.mailer]
}

run "stripe_without_its_key" {
  command = plan

  variables {
    gateway = "stripe"
  }

  expect_failures = [var.secrets]
}

run "a_key_of_stripe_for_the_simulated_gateway" {
  command = plan

  variables {
    secrets = { stripe_key = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:booking/stripe-key-AbCdEf" }
  }

  expect_failures = [var.secrets]
}

run "a_key_of_stripe_that_is_no_arn" {
  command = plan

  variables {
    gateway = "stripe"
    secrets = { stripe_key = "rk_live_0123456789" }
  }

  expect_failures = [var.secrets]
}

run "a_secret_without_the_end_of_its_arn" {
  command = plan

  variables {
    gateway = "stripe"
    secrets = { stripe_key = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:stripe" }
  }

  expect_failures = [var.secrets]
}

run "one_field_of_a_secret" {
  command = plan

  variables {
    gateway = "stripe"
    secrets = { stripe_key = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:stripe-AbCdEf:key::" }
  }

  expect_failures = [var.secrets]
}

run "a_token_that_is_no_arn" {
  command = plan

  variables {
    secrets = { status_token = "0123456789abcdef0123456789abcdef" }
  }

  expect_failures = [var.secrets]
}

run "the_alias_of_a_key_for_secrets" {
  command = plan

  variables {
    gateway = "stripe"
    secrets = { stripe_key = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:booking/stripe-key-AbCdEf", kms_key = "arn:aws:kms:eu-central-1:123456789012:alias/secrets" }
  }

  expect_failures = [var.secrets]
}

run "a_key_for_no_secret" {
  command = plan

  variables {
    secrets = { kms_key = "arn:aws:kms:eu-central-1:123456789012:key/11111111-2222-3333-4444-555555555555" }
  }

  expect_failures = [var.secrets]
}

run "a_password_for_a_folder" {
  command = plan

  variables {
    mailer  = "folder"
    smtp    = null
    secrets = { smtp_password = "arn:aws:ssm:eu-central-1:123456789012:parameter/booking/smtp-password" }
  }

  expect_failures = [var.secrets]
}

run "a_user_without_a_password" {
  command = plan

  variables {
    smtp = { server = "smtp.example.com:587", user = "booking" }
  }

  expect_failures = [var.secrets]
}

run "a_password_without_a_user" {
  command = plan

  variables {
    secrets = { smtp_password = "arn:aws:ssm:eu-central-1:123456789012:parameter/booking/smtp-password" }
  }

  expect_failures = [var.secrets]
}

run "smtp_without_a_server" {
  command = plan

  variables {
    smtp = null
  }

  expect_failures = [var.smtp]
}

run "a_server_for_a_folder" {
  command = plan

  variables {
    mailer = "folder"
  }

  expect_failures = [var.smtp]
}

run "a_server_without_a_port" {
  command = plan

  variables {
    smtp = { server = "smtp.example.com" }
  }

  expect_failures = [var.smtp]
}

run "a_server_with_a_port_that_is_none" {
  command = plan

  variables {
    smtp = { server = "smtp.example.com:65536" }
  }

  expect_failures = [var.smtp]
}

run "a_server_that_is_an_address_of_the_web" {
  command = plan

  variables {
    smtp = { server = "smtps://smtp.example.com:465" }
  }

  expect_failures = [var.smtp]
}

run "a_tls_that_is_none" {
  command = plan

  variables {
    smtp = { server = "smtp.example.com:587", tls = "tls" }
  }

  expect_failures = [var.smtp]
}

run "a_password_without_tls" {
  command = plan

  variables {
    smtp    = { server = "smtp.example.com:25", tls = "off", user = "booking" }
    secrets = { smtp_password = "arn:aws:ssm:eu-central-1:123456789012:parameter/booking/smtp-password" }
  }

  expect_failures = [var.smtp]
}

run "smtp_without_a_sender" {
  command = plan

  variables {
    mail_from = null
  }

  expect_failures = [var.mail_from]
}

run "a_sender_that_is_no_address" {
  command = plan

  variables {
    mail_from = "Example Air"
  }

  expect_failures = [var.mail_from]
}

run "a_contact_that_is_no_address" {
  command = plan

  variables {
    mail_contact = "Example Air <help@example.com>"
  }

  expect_failures = [var.mail_contact]
}

run "an_identity_for_a_mail_server" {
  command = plan

  variables {
    ses_identity_arn = "arn:aws:ses:eu-central-1:123456789012:identity/example.com"
  }

  expect_failures = [var.ses_identity_arn]
}

run "environment_with_the_key_of_stripe" {
  command = plan

  variables {
    gateway     = "stripe"
    secrets     = { stripe_key = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:booking/stripe-key-AbCdEf" }
    environment = { payment = { BOOKING_STRIPE_KEY = "rk_live_0123456789" } }
  }

  expect_failures = [var.environment]
}

run "environment_with_the_password_of_the_mail_server" {
  command = plan

  variables {
    environment = { receipt = { BOOKING_SMTP_PASSWORD = "not-so-secret" } }
  }

  expect_failures = [var.environment]
}

run "environment_against_the_sender" {
  command = plan

  variables {
    environment = { receipt = { BOOKING_MAIL_FROM = "a@example.com" } }
  }

  expect_failures = [var.environment]
}
