# /etc/dovecot/sieve/countersign.sieve runs before each user's own script. Mail that a person sends to an unsigned
# address does not start the hook.
require ["vnd.dovecot.filter", "envelope", "fileinto", "mailbox"];

if anyof (envelope :is "from" "",
          envelope :localpart :is "from" "mailer-daemon",
          envelope :domain :is "to" "srs.example.org") {
  filter "incoming" ["--as", "filter"];
  if header :matches "X-Countersign" ["forged;*", "unsure;*"] {
    fileinto :create "Junk";
    stop;
  }
}
