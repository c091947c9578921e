# The security groups. Services never call each other: each one connects to AWS over HTTPS, payment also
# to Stripe, and receipt to SES or to a mail server. A rule knows addresses and no names, and these have
# addresses that change: so every address is allowed, on the port of the service alone.

locals {
  # The port of the mail server, unless the rule for HTTPS has it already: AWS refuses the same rule twice.
  smtp_ports = length(local.running) == 0 || var.mailer != "smtp" ? [] : [
    for it in [try(tonumber(split(":", var.smtp.server)[1]), null)] : it if it != null && it != 443
  ]
}

resource "aws_security_group" "role" {
  for_each = local.running

  name        = "${var.prefix}booking-${each.key}"
  description = "The tasks of the booking service ${each.key}"
  vpc_id      = var.vpc_id

  # A new name makes a new group. The tasks must have it before the old one can be deleted.
  lifecycle {
    create_before_destroy = true
  }
}

# The DNS resolver of the VPC and the credentials of the task need no rule.
resource "aws_vpc_security_group_egress_rule" "https" {
  for_each = local.running

  security_group_id = aws_security_group.role[each.key].id
  description       = "AWS and Stripe, over HTTPS"
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
  cidr_ipv4         = "0.0.0.0/0"
}

resource "aws_vpc_security_group_egress_rule" "smtp" {
  count = length(local.smtp_ports)

  security_group_id = aws_security_group.role["receipt"].id
  description       = "The mail server"
  ip_protocol       = "tcp"
  from_port         = local.smtp_ports[0]
  to_port           = local.smtp_ports[0]
  cidr_ipv4         = "0.0.0.0/0"
}

resource "aws_vpc_security_group_ingress_rule" "status" {
  for_each = length(local.running) == 0 ? toset([]) : toset(var.status_ingress)

  security_group_id            = aws_security_group.role[local.answering].id
  description                  = "Questions about bookings"
  ip_protocol                  = "tcp"
  from_port                    = local.port
  to_port                      = local.port
  cidr_ipv4                    = startswith(each.value, "sg-") ? null : each.value
  referenced_security_group_id = startswith(each.value, "sg-") ? each.value : null
}
