;; In ~/.emacs.d/init.el: message-mode, and with it Gnus, mu4e and notmuch, sends through the shim.
(setq message-send-mail-function #'message-send-mail-with-sendmail
      send-mail-function #'sendmail-send-it
      sendmail-program "/usr/local/bin/shim"
      mail-specify-envelope-from t     ; -f, so that each identity signs its own mail
      mail-envelope-from 'header       ; the address in From
      message-sendmail-envelope-from 'header
      message-sendmail-f-is-evil nil
      message-interactive t)           ; wait for the shim, and show its error
