using TorchSharp;

namespace Linformer.Training.ProcessGroups.Nccl;

/// <summary>An all-reduce of a rounded copy, which whoever waits for it first widens into the buffer, behind all that the GPU was given before.</summary>
/// <param name="work">The all-reduce.</param>
/// <param name="rounded">The copy, of bfloat16; disposed here.</param>
/// <param name="buffer">Where the result goes; disposed here.</param>
internal sealed class RoundedWork(IWork work, torch.Tensor rounded, torch.Tensor buffer) : IWork
{
    private readonly Lock _lock = new();
    private bool _ended;

    public bool IsCompleted => Volatile.Read(ref _ended);

    public void Wait()
    {
        lock (_lock)
        {
            try
            {
                work.Wait();
                if (!_ended)
                {
                    using var noGrad = torch.no_grad();
                    buffer.copy_(rounded);
                }
            }
            finally
            {
                _ended = true;
                rounded.Dispose();
                buffer.Dispose();
            }
        }
    }
}
