# Real money and real mail: who gets which setting, secret, right and way out, for each choice.

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
}

run "topics" {
  module {
    source = "./tests/topics"
  }
}

run "the_fakes_need_nothing" {
  command = plan

  variables {
    gateway = "simulated"
    mailer  = "folder"
  }

  assert {
    condition = length(aws_vpc_security_group_egress_rule.smtp) == 0 && alltrue([
      for it in aws_ecs_task_definition.role : jsondecode(it.container_definitions)[0].secrets == []
    ])
    error_message = "Without a mail server there is a rule for one, or without secrets a container gets some."
  }

  assert {
    condition = alltrue([
      for policy in concat(values(aws_iam_policy.publisher)[*].policy, [aws_iam_policy.operator.policy, aws_iam_role_policy.execution[0].policy]) :
      !can(regex("\"(ses|ssm|secretsmanager|kms):", policy))
    ])
    error_message = "Somebody may send mail, or read or decrypt a secret, although there is none."
  }
}

run "stripe_and_ses" {
  command = plan

  variables {
    gateway          = "stripe"
    mailer           = "ses"
    mail_from        = "Example Air <receipts@example.com>"
    mail_contact     = "help@example.com"
    ses_identity_arn = "arn:aws:ses:eu-central-1:123456789012:identity/example.com"
    secrets          = { stripe_key = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:booking/stripe-key-AbCdEf" }
  }

  assert {
    condition = {
      for role, it in aws_ecs_task_definition.role : role => join(", ", [
        for secret in jsondecode(it.container_definitions)[0].secrets : "${secret.name} ${secret.valueFrom}"
      ])
      } == {
      for role in run.topics.roles : role => role == "payment" ? "BOOKING_STRIPE_KEY ${var.secrets.stripe_key}" : ""
    }
    error_message = "Not exactly payment gets the key of Stripe."
  }

  assert {
    condition = {
      for role, it in aws_ecs_task_definition.role : role => join(", ", [
        for setting in jsondecode(it.container_definitions)[0].environment : "${setting.name}=${setting.value}"
        if can(regex("GATEWAY|STRIPE|MAIL|SMTP", setting.name))
      ])
      } == {
      for role in run.topics.roles : role => {
        payment = "BOOKING_GATEWAY=stripe"
        receipt = "BOOKING_MAILER=ses, BOOKING_MAIL_CONTACT=help@example.com, BOOKING_MAIL_FROM=Example Air <receipts@example.com>"
        seats   = ""
        status  = ""
      }[role]
    }
    error_message = "The containers have other settings of gateway and mailer than were chosen."
  }

  # Whole, so that a condition too few or an identity too many fails.
  assert {
    condition = {
      for who, it in merge(aws_iam_policy.publisher, { operator = aws_iam_policy.operator }) : who => join(", ", [
        for statement in jsondecode(it.policy).Statement : jsonencode(statement) if strcontains(jsonencode(statement), "ses:")
      ])
      } == {
      for who in setunion(run.topics.listeners, ["client", "operator"]) : who => !contains(["receipt", "operator"], who) ? "" : jsonencode({
        Sid      = "SendReceipts"
        Effect   = "Allow"
        Action   = ["ses:SendRawEmail"]
        Resource = ["arn:aws:ses:eu-central-1:123456789012:identity/example.com"]
      })
    }
    error_message = "Others than receipt and operators may send, or they in another name, or in another way."
  }

  assert {
    condition = toset([
      for statement in jsondecode(aws_iam_role_policy.execution[0].policy).Statement : jsonencode(statement) if statement.Sid != "WriteLogs"
      ]) == toset([jsonencode({
        Sid      = "ReadSecrets"
        Effect   = "Allow"
        Action   = ["secretsmanager:GetSecretValue"]
        Resource = [var.secrets.stripe_key]
    })])
    error_message = "The execution role may do more, or less, than read exactly the key of Stripe."
  }

  assert {
    condition = alltrue([
      for it in concat(values(aws_iam_policy.publisher), [aws_iam_policy.operator]) : !can(regex("\"(ssm|secretsmanager|kms):", it.policy))
    ])
    error_message = "A task, a client or an operator may read the key of Stripe by itself."
  }

  # Both are reached over HTTPS.
  assert {
    condition     = length(aws_vpc_security_group_egress_rule.smtp) == 0 && length(aws_vpc_security_group_egress_rule.https) == length(run.topics.roles)
    error_message = "With stripe and ses something else than HTTPS goes out."
  }
}

run "stripe_and_smtp_with_a_key_of_the_customer" {
  command = plan

  variables {
    gateway   = "stripe"
    mailer    = "smtp"
    mail_from = "receipts@example.com"
    smtp      = { server = "smtp.example.com:587", user = "booking" }
    secrets = {
      stripe_key    = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:booking/stripe-key-AbCdEf"
      smtp_password = "arn:aws:ssm:eu-central-1:123456789012:parameter/booking/smtp-password"
      status_token  = "arn:aws:ssm:eu-central-1:123456789012:parameter/booking/status-token"
      kms_key       = "arn:aws:kms:eu-central-1:123456789012:key/11111111-2222-3333-4444-555555555555"
    }
    canary_key_arn = "arn:aws:ssm:eu-central-1:123456789012:parameter/booking/canary-key"
  }

  assert {
    condition = {
      for role, it in aws_ecs_task_definition.role : role => join(", ", [
        for secret in jsondecode(it.container_definitions)[0].secrets : "${secret.name} ${secret.valueFrom}"
      ])
      } == {
      for role in run.topics.roles : role => join(", ", concat(
        ["BOOKING_CANARY_KEY ${var.canary_key_arn}"],
        role == "receipt" ? ["BOOKING_SMTP_PASSWORD ${var.secrets.smtp_password}"] : [],
        role == "payment" ? ["BOOKING_STRIPE_KEY ${var.secrets.stripe_key}"] : [],
        role == "status" ? ["BOOKING_STATUS_TOKEN ${var.secrets.status_token}"] : [],
      ))
    }
    error_message = "A container gets another secret than its own."
  }

  assert {
    condition = !anytrue([
      for setting in jsondecode(aws_ecs_task_definition.role["status"].container_definitions)[0].environment : setting.name == "BOOKING_HTTP_OPEN"
    ])
    error_message = "Status lets in who has not its token."
  }

  assert {
    condition = [
      for setting in jsondecode(aws_ecs_task_definition.role["receipt"].container_definitions)[0].environment : "${setting.name}=${setting.value}"
      if can(regex("MAIL|SMTP", setting.name))
      ] == [
      "BOOKING_MAILER=smtp",
      "BOOKING_MAIL_FROM=receipts@example.com",
      "BOOKING_SMTP_SERVER=smtp.example.com:587",
      "BOOKING_SMTP_TLS=starttls",
      "BOOKING_SMTP_USER=booking",
    ]
    error_message = "Receipt has other settings of its mail server than were chosen."
  }

  assert {
    condition = toset([
      for statement in jsondecode(aws_iam_role_policy.execution[0].policy).Statement : jsonencode(statement) if statement.Sid != "WriteLogs"
      ]) == toset([
      jsonencode({
        Sid      = "ReadCanaryKey"
        Effect   = "Allow"
        Action   = ["ssm:GetParameters"]
        Resource = [var.canary_key_arn]
      }),
      jsonencode({
        Sid      = "ReadParameters"
        Effect   = "Allow"
        Action   = ["ssm:GetParameters"]
        Resource = [var.secrets.smtp_password, var.secrets.status_token]
      }),
      jsonencode({
        Sid      = "ReadSecrets"
        Effect   = "Allow"
        Action   = ["secretsmanager:GetSecretValue"]
        Resource = [var.secrets.stripe_key]
      }),
      jsonencode({
        Sid      = "DecryptSecrets"
        Effect   = "Allow"
        Action   = ["kms:Decrypt"]
        Resource = [var.secrets.kms_key]
        Condition = {
          StringEquals = { "kms:ViaService" = ["secretsmanager.eu-central-1.amazonaws.com", "ssm.eu-central-1.amazonaws.com"] }
        }
      }),
    ])
    error_message = "The execution role may do more, or less, than read exactly these secrets, or may decrypt something else with the key."
  }

  # The key of queues and tables is another one.
  assert {
    condition = alltrue([
      for it in concat(values(aws_iam_policy.publisher), [aws_iam_policy.operator]) :
      !can(regex("\"(ses|secretsmanager|kms):", it.policy)) && !strcontains(it.policy, "smtp-password") && !strcontains(it.policy, "status-token")
    ])
    error_message = "With smtp, somebody but ECS may read the secrets, or may send with SES."
  }

  assert {
    condition = [
      for it in aws_vpc_security_group_egress_rule.smtp : "${it.ip_protocol} ${it.from_port}-${it.to_port} ${it.cidr_ipv4}"
    ] == ["tcp 587-587 0.0.0.0/0"]
    error_message = "The way to the mail server is not exactly its port."
  }
}

run "the_way_to_the_mail_server_is_that_of_receipt" {
  command = apply

  variables {
    gateway   = "simulated"
    mailer    = "smtp"
    mail_from = "receipts@example.com"
    smtp      = { server = "smtp.example.com:465", tls = "implicit" }
  }

  assert {
    condition     = aws_vpc_security_group_egress_rule.smtp[0].security_group_id == aws_security_group.role["receipt"].id && aws_vpc_security_group_egress_rule.smtp[0].to_port == 465
    error_message = "Another service than receipt gets out to the mail server."
  }

  assert {
    condition = [
      for setting in jsondecode(aws_ecs_task_definition.role["receipt"].container_definitions)[0].environment : "${setting.name}=${setting.value}"
      if strcontains(setting.name, "SMTP")
    ] == ["BOOKING_SMTP_SERVER=smtp.example.com:465", "BOOKING_SMTP_TLS=implicit"]
    error_message = "A server that wants no login gets one, or tls has no effect."
  }
}

run "a_mail_server_on_the_port_of_https_has_its_rule_already" {
  command = plan

  variables {
    gateway   = "simulated"
    mailer    = "smtp"
    mail_from = "receipts@example.com"
    smtp      = { server = "smtp.example.com:443", tls = "implicit" }
  }

  assert {
    condition     = length(aws_vpc_security_group_egress_rule.smtp) == 0
    error_message = "There are two rules for port 443, and AWS refuses the second."
  }
}

run "without_an_image_only_the_right_to_send" {
  command = plan

  variables {
    image            = null
    vpc_id           = null
    subnet_ids       = []
    flights          = null
    gateway          = "stripe"
    mailer           = "ses"
    ses_identity_arn = "arn:aws:ses:eu-central-1:123456789012:identity/receipts@example.com"
  }

  assert {
    condition = {
      for who, it in aws_iam_policy.publisher : who => join(" ", [for statement in jsondecode(it.policy).Statement : statement.Sid if statement.Sid == "SendReceipts"])
    } == { for who in setunion(run.topics.listeners, ["client"]) : who => who == "receipt" ? "SendReceipts" : "" }
    error_message = "A receipt that runs elsewhere may not send, or somebody else may."
  }

  assert {
    condition     = length(aws_iam_role_policy.execution) == 0 && length(aws_vpc_security_group_egress_rule.smtp) == 0
    error_message = "Something that only services need is created without an image."
  }
}
