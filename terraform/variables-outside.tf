# The variables of what is outside: who takes the money, and who sends the mail. The fakes (simulated,
# folder) must be chosen by name, and never because a setting is missing, so gateway and mailer have no
# default.

variable "gateway" {
  description = "The payment provider, as in booking payment --gateway: stripe, or simulated, which takes no real money. Required with image or compute = \"lambda\"."
  type        = string
  default     = null

  validation {
    condition     = var.gateway == null ? !local.serving : contains(["simulated", "stripe"], var.gateway)
    error_message = "services need gateway: stripe, or simulated, which takes no real money and so must be chosen by name."
  }
}

variable "mailer" {
  description = "How receipts are sent, as in booking receipt --mailer: ses, smtp, or folder, which on ECS is a folder that is lost with its task, and on Lambda with its instance. Required with image or compute = \"lambda\". With ses, the policies of receipt and of operators get the right to send, also without an image."
  type        = string
  default     = null

  validation {
    condition     = var.mailer == null ? !local.serving : contains(["folder", "smtp", "ses"], var.mailer)
    error_message = "services need mailer: ses, smtp, or folder, which sends no mail and so must be chosen by name."
  }
}

variable "secrets" {
  description = <<-EOT
    Where the secrets are, each by its ARN: a SecureString of the Parameter Store, or a secret of Secrets
    Manager whose whole text is the secret. ECS reads them when it starts a task, and nobody else may. With
    compute = "lambda" Terraform reads them, if lambda_secrets_in_state allows that.
    stripe_key: the key of the Stripe account; payment gets it as BOOKING_STRIPE_KEY. Required with
    gateway = "stripe".
    smtp_password: the password of smtp.user; receipt gets it as BOOKING_SMTP_PASSWORD.
    status_token: the token that whoever asks status has to show; status gets it as BOOKING_STATUS_TOKEN.
    Without it, status answers everybody whom status_ingress lets in, or with compute = "lambda" whom IAM
    lets in.
    seal_key: the key that requests are sealed with, 32 bytes or more, which clients that start bookings
    have as well; all services get it as BOOKING_SEAL_KEY. Required with integration = "step-functions".
    kms_key: the ARN of your own KMS key, if the secrets above are encrypted with one, and not with the
    keys that AWS manages for the two services. ECS may then decrypt with it, for these two services only.
  EOT
  type = object({
    stripe_key    = optional(string)
    smtp_password = optional(string)
    status_token  = optional(string)
    seal_key      = optional(string)
    kms_key       = optional(string)
  })
  default  = {}
  nullable = false

  validation {
    # The ARN of a secret ends with six characters that Secrets Manager chose. Without them, the policy
    # would allow nothing.
    condition = alltrue([
      for it in [var.secrets.stripe_key, var.secrets.smtp_password, var.secrets.status_token, var.secrets.seal_key] : it == null ||
      can(regex("^arn:[a-z-]+:(ssm:[a-z0-9-]+:[0-9]{12}:parameter/.+|secretsmanager:[a-z0-9-]+:[0-9]{12}:secret:[A-Za-z0-9/_+=.@-]+-[A-Za-z0-9]{6})$", it))
    ])
    error_message = "stripe_key, smtp_password, status_token and seal_key of secrets must each be the whole ARN of a parameter (arn:aws:ssm:…:parameter/…) or of a secret (arn:aws:secretsmanager:…:secret:NAME-AbCdEf), never the secret itself."
  }

  validation {
    condition     = var.secrets.kms_key == null || can(regex("^arn:[a-z-]+:kms:[a-z0-9-]+:[0-9]{12}:key/[A-Za-z0-9-]+$", var.secrets.kms_key))
    error_message = "secrets.kms_key must be the ARN of a key (arn:aws:kms:…:key/…), not an alias or a bare id: IAM policies need the key itself."
  }

  validation {
    condition     = var.secrets.kms_key == null || length(compact([var.secrets.stripe_key, var.secrets.smtp_password, var.secrets.status_token, var.secrets.seal_key])) > 0
    error_message = "secrets.kms_key is given, but none of stripe_key, smtp_password, status_token and seal_key, so it would decrypt nothing. It is not for canary_key_arn."
  }

  validation {
    condition     = var.compute != "lambda" || var.secrets.kms_key == null
    error_message = "secrets.kms_key is given, but compute is lambda: there is no ECS that would decrypt with it. Whoever runs Terraform reads the secrets, and needs the right to decrypt them."
  }

  validation {
    condition     = !local.serving || var.integration != "step-functions" || var.secrets.seal_key != null
    error_message = "integration is step-functions, but secrets.seal_key is not given: no service could open the requests that the state machine gives it."
  }

  validation {
    condition     = !local.serving || var.integration == "step-functions" || var.secrets.seal_key == null
    error_message = "secrets.seal_key is given, but integration is ${var.integration}: only integration = \"step-functions\" seals requests."
  }

  validation {
    condition     = !local.serving || var.gateway != "stripe" || var.secrets.stripe_key != null
    error_message = "gateway is stripe, but secrets.stripe_key is not given: payment does not start without the key of the Stripe account."
  }

  validation {
    condition     = !local.serving || var.gateway == "stripe" || var.secrets.stripe_key == null
    error_message = "secrets.stripe_key is given, but gateway is ${coalesce(var.gateway, "not")}: only gateway = \"stripe\" reads it."
  }

  validation {
    condition     = !local.serving || var.mailer == "smtp" || var.secrets.smtp_password == null
    error_message = "secrets.smtp_password is given, but mailer is ${coalesce(var.mailer, "not")}: only mailer = \"smtp\" reads it, and ses needs no password."
  }

  validation {
    condition     = !local.serving || var.mailer != "smtp" || (var.secrets.smtp_password == null) == (try(var.smtp.user, null) == null)
    error_message = "smtp.user and secrets.smtp_password belong together: give both for a server that wants a login, or neither."
  }
}

variable "smtp" {
  description = <<-EOT
    The mail server. Required with mailer = "smtp".
    server: its name and its port, such as smtp.example.com:587. The security group of receipt lets
    exactly this port out. AWS blocks port 25 unless you ask for it.
    tls: starttls, implicit (usually port 465) or off, as in booking receipt --smtp-tls (starttls).
    user: who logs in, if the server wants a login; the password is secrets.smtp_password.
  EOT
  type = object({
    server = string
    tls    = optional(string, "starttls")
    user   = optional(string)
  })
  default = null

  validation {
    condition     = !local.serving || var.mailer != "smtp" || var.smtp != null
    error_message = "mailer is smtp, but smtp is not given: receipt needs smtp.server."
  }

  validation {
    condition     = !local.serving || var.mailer == "smtp" || var.smtp == null
    error_message = "smtp is given, but mailer is ${coalesce(var.mailer, "not")}: only mailer = \"smtp\" uses a mail server."
  }

  validation {
    condition     = var.smtp == null || try(tonumber(regex("^[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?:([0-9]{1,5})$", var.smtp.server)[1]) < 65536, false)
    error_message = "smtp.server must be the name of a mail server with its port, for example smtp.example.com:587: a rule of the security group needs the port."
  }

  validation {
    condition     = var.smtp == null || contains(["starttls", "implicit", "off"], try(var.smtp.tls, ""))
    error_message = "smtp.tls must be starttls, implicit or off; it is ${try(var.smtp.tls, "not given")}."
  }

  validation {
    condition     = try(var.smtp.tls, null) != "off" || try(var.smtp.user, null) == null
    error_message = "smtp.tls is off, but smtp.user is given: the password would be readable on its way to the server."
  }
}

variable "mail_from" {
  description = "The sender of receipts, as in booking receipt --mail-from: Example Air <receipts@example.com>. Required with mailer ses or smtp."
  type        = string
  default     = null

  validation {
    condition     = var.mail_from == null || can(regex("^([^<>@]*<[^<>@\\s]+@[^<>@\\s]+>|[^<>@\\s]+@[^<>@\\s]+)$", var.mail_from))
    error_message = "mail_from must be a sender, for example Example Air <receipts@example.com>."
  }

  validation {
    condition     = !local.serving || var.mail_from != null || !contains(["smtp", "ses"], coalesce(var.mailer, "folder"))
    error_message = "mailer is ${coalesce(var.mailer, "not given")}, but mail_from is not given: the sender that booking has by itself is nobody's address."
  }
}

variable "mail_contact" {
  description = "The e-mail address that receipts name for questions, as in booking receipt --mail-contact. If it is not given, they name none."
  type        = string
  default     = null

  validation {
    condition     = var.mail_contact == null || can(regex("^[^<>@\\s]+@[^<>@\\s]+$", var.mail_contact))
    error_message = "mail_contact must be an e-mail address, for example help@example.com."
  }
}

variable "ses_identity_arn" {
  description = "The ARN of the verified SES identity (a domain, or one address) that mail_from belongs to, in this account and region. Receipt may send in its name only. Required with mailer = \"ses\", also without an image."
  type        = string
  default     = null

  validation {
    condition     = var.mailer != "ses" || var.ses_identity_arn != null
    error_message = "mailer is ses, but ses_identity_arn is not given: receipt may send nothing without it."
  }

  validation {
    condition     = var.ses_identity_arn == null || var.mailer == "ses"
    error_message = "ses_identity_arn is given, but mailer is ${coalesce(var.mailer, "not")}: only mailer = \"ses\" sends in its name."
  }

  validation {
    condition     = var.ses_identity_arn == null || can(regex("^arn:[a-z-]+:ses:[a-z0-9-]+:[0-9]{12}:identity/[^*?\\s/]+$", var.ses_identity_arn))
    error_message = "ses_identity_arn must be the ARN of one identity (arn:aws:ses:…:identity/example.com), without wildcards."
  }

  validation {
    # The binary sends in its own region and account, and in no other's name.
    condition     = var.ses_identity_arn == null || try(join(":", slice(split(":", var.ses_identity_arn), 3, 5)), "") == "${local.region}:${local.account_id}"
    error_message = "ses_identity_arn is of another region or account than the services, which send in ${local.region} and ${local.account_id}."
  }

  validation {
    # A domain is also the identity of its subdomains.
    condition = var.ses_identity_arn == null || var.mail_from == null || try(anytrue([
      for identity in [lower(element(split("/", var.ses_identity_arn), 1))] : [
        for sender in [lower(regex("[^<>@\\s]+@[^<>@\\s]+", var.mail_from))] :
        sender == identity || endswith(sender, "@${identity}") || (!strcontains(identity, "@") && endswith(sender, ".${identity}"))
      ][0]
    ]), false)
    error_message = "mail_from (${coalesce(var.mail_from, "not given")}) does not belong to the identity of ses_identity_arn: SES would refuse every receipt."
  }
}
