using System.Runtime.CompilerServices;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace TorchSharp.ContractTests;

/// <summary>Who owns a tensor, and what becomes of it.</summary>
public class OwnershipTests
{
    [Fact]
    public void A_scope_disposes_what_was_made_in_it()
    {
        Tensor inner, moved, outer;
        using (var first = NewDisposeScope())
        {
            outer = zeros(1);
            using (var second = NewDisposeScope())
            {
                CurrentDisposeScope.ShouldBeSameAs(second);
                inner = ones(1) + 1;
                moved = (inner * 2).MoveToOuterDisposeScope();
                second.Contains(inner).ShouldBeTrue();
                second.Contains(moved).ShouldBeFalse();
                second.DisposablesCount.ShouldBe(2);
            }
            inner.IsInvalid.ShouldBeTrue();
            moved.IsInvalid.ShouldBeFalse();
            moved.ShouldHold(4);
            CurrentDisposeScope.ShouldBeSameAs(first);
        }
        moved.IsInvalid.ShouldBeTrue();
        outer.IsInvalid.ShouldBeTrue();
        CurrentDisposeScope.ShouldBeNull();
        Should.Throw<InvalidOperationException>(() => outer.Handle);
        Should.Throw<InvalidOperationException>(() => outer + 1);
    }

    [Fact]
    public void A_detached_tensor_outlives_its_scope_and_can_be_attached_again()
    {
        Tensor kept;
        using (NewDisposeScope())
        {
            kept = ones(2).DetachFromDisposeScope();
        }
        kept.IsInvalid.ShouldBeFalse();
        using (var scope = NewDisposeScope())
        {
            scope.Attach(kept);
            scope.Contains(kept).ShouldBeTrue();
            scope.Detach(kept).ShouldBeSameAs(kept);
            scope.Contains(kept).ShouldBeFalse();
            kept.MoveToOtherDisposeScope(scope);
        }
        kept.IsInvalid.ShouldBeTrue();
    }

    [Fact]
    public void A_scope_can_be_emptied_before_its_end()
    {
        using var scope = NewDisposeScope();
        var a = ones(1);
        var b = ones(1);
        scope.DisposeEverythingBut(b).ShouldBeSameAs(b);
        a.IsInvalid.ShouldBeTrue();
        b.IsInvalid.ShouldBeFalse();
        scope.DisposeEverything();
        b.IsInvalid.ShouldBeTrue();
        var c = ones(1);
        scope.DisposablesView.ShouldBe([c]);
        c.Dispose();
        scope.DisposablesCount.ShouldBe(0);
    }

    [Fact]
    public void A_disposed_scope_refuses_work()
    {
        var scope = NewDisposeScope();
        var t = ones(1).DetachFromDisposeScope();
        scope.Dispose();
        scope.Dispose();
        Should.Throw<ObjectDisposedException>(() => scope.Detach(t));
        Should.Throw<ObjectDisposedException>(() => _ = scope.DisposablesCount);
        t.Dispose();
    }

    [Fact]
    public void A_wrapped_scope_keeps_the_result_only()
    {
        using var scope = NewDisposeScope();
        Tensor? inside = null;
        var result = WrappedTensorDisposeScope(() =>
        {
            inside = ones(3);
            return inside.sum();
        });
        inside!.IsInvalid.ShouldBeTrue();
        result.item<float>().ShouldBe(3);
        scope.Contains(result).ShouldBeTrue();
    }

    [Fact]
    public void An_operator_in_place_returns_the_same_object()
    {
        using var t = ones(2);
        t.add_(1).ShouldBeSameAs(t);
        t.mul_(2).sub_(1).div_(3).ShouldBeSameAs(t);
        t.copy_(zeros(2)).fill_(2).sqrt_().ShouldBeSameAs(t);
        t.uniform_(0, 1).ShouldBeSameAs(t);
        t.requires_grad_().ShouldBeSameAs(t);
        t.detach_().ShouldBeSameAs(t);
    }

    [Fact]
    public void Conversions_that_change_nothing_and_aliases_are_other_objects_for_the_same_tensor()
    {
        using var t = ones(2);
        Tensor[] others = [t.alias(), t.to(float32), t.cpu(), t.contiguous(), t.zero_()];
        foreach (var other in others)
        {
            other.ShouldNotBeSameAs(t);
            other.storage<float>().data_ptr().ShouldBe(t.storage<float>().data_ptr());
            other.Dispose();
        }
        t.IsInvalid.ShouldBeFalse();
        t.ShouldHold(0, 0);
        using var copy = t.to(float32, copy: true);
        copy.storage<float>().data_ptr().ShouldNotBe(t.storage<float>().data_ptr());
        var converted = ones(2);
        using var result = converted.to(float64, disposeAfter: true);
        converted.IsInvalid.ShouldBeTrue();
    }

    [Fact]
    public void A_parameter_takes_the_tensor_over()
    {
        Parameter parameter;
        using (var scope = NewDisposeScope())
        {
            var data = ones(2);
            parameter = new Parameter(data);
            data.IsInvalid.ShouldBeTrue();
            parameter.requires_grad.ShouldBeTrue();
            scope.Contains(parameter).ShouldBeTrue();
            scope.Contains(data).ShouldBeFalse();
            nn.Parameter(ones(1), requires_grad: false).requires_grad.ShouldBeFalse();
        }
        parameter.IsInvalid.ShouldBeTrue();
    }

    [Fact]
    public void A_handle_can_be_taken_out_and_put_into_another_object()
    {
        using var scope = NewDisposeScope();
        var t = tensor(5f);
        var handle = t.DecoupleFromNativeHandle();
        t.IsInvalid.ShouldBeTrue();
        Tensor.UnsafeCreateTensor(handle).item<float>().ShouldBe(5);
    }

    [Fact]
    public void Scopes_and_statistics_belong_to_their_thread()
    {
        using var scope = NewDisposeScope();
        OnThread(() =>
        {
            CurrentDisposeScope.ShouldBeNull();
            var statistics = DisposeScopeManager.Statistics;
            statistics.Reset();
            ones(1).Dispose();
            using (var inner = NewDisposeScope())
            {
                _ = ones(1);
                ones(1).DetachFromDisposeScope().Dispose();
            }
            statistics.CreatedOutsideScopeCount.ShouldBe(1);
            statistics.DisposedOutsideScopeCount.ShouldBe(2);
            statistics.CreatedInScopeCount.ShouldBe(2);
            statistics.DisposedInScopeCount.ShouldBe(1);
            statistics.DetachedFromScopeCount.ShouldBe(1);
            statistics.ThreadTotalLiveCount.ShouldBe(0);
        });
        scope.DisposablesCount.ShouldBe(0);
    }

    [Fact]
    public void A_tensor_that_nobody_disposes_is_finalized()
    {
        OnThread(() =>
        {
            long before = Tensor.TotalCount;
            Leak();
            for (int i = 0; i < 10 && Tensor.TotalCount >= before + 100; i++)
            {
                GC.Collect();
                GC.WaitForPendingFinalizers();
            }
            Tensor.TotalCount.ShouldBeLessThan(before + 100);
        });

        [MethodImpl(MethodImplOptions.NoInlining)]
        static void Leak()
        {
            for (int i = 0; i < 1000; i++)
            {
                _ = ones(10);
            }
        }
    }

    internal static void OnThread(Action action)
    {
        Exception? failure = null;
        var thread = new Thread(() =>
        {
            try
            {
                action();
            }
            catch (Exception e)
            {
                failure = e;
            }
        });
        thread.Start();
        thread.Join();
        if (failure is not null)
        {
            throw new InvalidOperationException(failure.Message, failure);
        }
    }
}
