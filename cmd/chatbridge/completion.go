package main

import (
	"github.com/spf13/cobra"
)

func newCompletionCommand(env *environment) *cobra.Command {
	return &cobra.Command{
		Use:   "completion bash|zsh|fish|powershell",
		Short: "Print a script that completes chatbridge's commands and flags in a shell",
		Long: `Print a script that completes chatbridge's commands and flags in a shell.

bash needs the package bash-completion, and zsh "autoload -U compinit; compinit" in ~/.zshrc.`,
		Example: `  source <(chatbridge completion bash)                                   # this shell
  chatbridge completion bash > /etc/bash_completion.d/chatbridge         # every shell
  chatbridge completion zsh > "${fpath[1]}/_chatbridge"
  chatbridge completion fish > ~/.config/fish/completions/chatbridge.fish
  chatbridge completion powershell | Out-String | Invoke-Expression`,
		ValidArgs: []string{"bash", "zsh", "fish", "powershell"},
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return usagef("name one shell: bash, zsh, fish or powershell")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			root := cmd.Root()
			switch args[0] {
			case "bash":
				return root.GenBashCompletionV2(env.stdout, true)
			case "zsh":
				return root.GenZshCompletion(env.stdout)
			case "fish":
				return root.GenFishCompletion(env.stdout, true)
			case "powershell":
				return root.GenPowerShellCompletionWithDesc(env.stdout)
			default:
				return usagef("no completion for %q; name bash, zsh, fish or powershell", args[0])
			}
		},
	}
}
