# Choices that make no sense with SES are refused before anything is created, and two that do make sense are
# not. Each run names only what it is about.

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

  gateway          = "simulated"
  mailer           = "ses"
  mail_from        = "Example Air <receipts@example.com>"
  ses_identity_arn = "arn:aws:ses:eu-central-1:123456789012:identity/example.com"
}

run "a_password_for_ses" {
  command = plan

  variables {
    secrets = { smtp_password = "arn:aws:ssm:eu-central-1:123456789012:parameter/booking/smtp-password" }
  }

  expect_failures = [var.secrets]
}

run "ses_without_a_sender" {
  command = plan

  variables {
    mail_from = null
  }

  expect_failures = [var.mail_from]
}

run "ses_without_an_identity" {
  command = plan

  variables {
    ses_identity_arn = null
  }

  expect_failures = [var.ses_identity_arn]
}

run "an_identity_for_a_folder" {
  command = plan

  variables {
    mailer = "folder"
  }

  expect_failures = [var.ses_identity_arn]
}

run "every_identity" {
  command = plan

  variables {
    mail_from        = "receipts@*"
    ses_identity_arn = "arn:aws:ses:eu-central-1:123456789012:identity/*"
  }

  expect_failures = [var.ses_identity_arn]
}

run "an_identity_of_another_region" {
  command = plan

  variables {
    ses_identity_arn = "arn:aws:ses:eu-west-1:123456789012:identity/example.com"
  }

  expect_failures = [var.ses_identity_arn]
}

run "an_identity_of_another_account" {
  command = plan

  variables {
    ses_identity_arn = "arn:aws:ses:eu-central-1:999999999999:identity/example.com"
  }

  expect_failures = [var.ses_identity_arn]
}

run "a_sender_of_another_domain" {
  command = plan

  variables {
    mail_from = "receipts@notexample.com"
  }

  expect_failures = [var.ses_identity_arn]
}

run "a_sender_that_is_not_the_one_address" {
  command = plan

  variables {
    ses_identity_arn = "arn:aws:ses:eu-central-1:123456789012:identity/air@example.com"
  }

  expect_failures = [var.ses_identity_arn]
}

run "a_sender_of_a_subdomain" {
  command = plan

  variables {
    mail_from = "receipts@mail.EXAMPLE.com"
  }
}

run "a_sender_that_is_the_one_address" {
  command = plan

  variables {
    ses_identity_arn = "arn:aws:ses:eu-central-1:123456789012:identity/receipts@example.com"
  }
}
